/** A step of a plan as `EXPLAIN (FORMAT JSON)` tells it. */
export interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

/** A step and all that it is made of. */
export function flatten(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flatten)];
}

/** How many rows a step gave, over all its loops. */
export function rowsOut(node: PlanNode): number {
  return node['Actual Rows'] * node['Actual Loops'];
}

/** How many rows the scans among these steps looked at, those included that a filter threw away. */
export function rowsRead(plan: readonly PlanNode[]): number {
  return plan
    .filter((node) => node['Node Type'].endsWith('Scan'))
    .reduce(
      (rows, node) => rows + rowsOut(node) + (node['Rows Removed by Filter'] ?? 0) * node['Actual Loops'],
      0,
    );
}
