/** The catalogue every contender sells from. */
export const CATALOGUE = {
  products: 5_000,
  warehouses: [
    { code: 'main', name: 'Main warehouse', priority: 100 },
    { code: 'north', name: 'North warehouse', priority: 200 },
  ],
  /** Of each product in each warehouse: more than any run can sell. */
  ampleStock: 1_000_000_000,
  /** The last product, which everybody wants in the hot product's section; ample like the others. */
  hotSku: 'HOT-00001',
  /** Sold out on purpose: only `scarceStock` of it, in one warehouse. */
  scarceSku: 'SCARCE-00001',
  scarceStock: 100,
} as const;

export function skuOf(product: number): string {
  return `SKU-${String(product).padStart(5, '0')}`;
}
