/** What a shop says to a buyer. */
export type Reply =
  | { readonly kind: 'done'; readonly id: string }
  /** Not a piece is left, for now. */
  | { readonly kind: 'sold out' }
  /** Anything that a buyer should never hear, in words. */
  | { readonly kind: 'failed'; readonly words: string };

/** One request of one buyer. A repetition has the same key. */
export interface Wish {
  readonly buyer: number;
  readonly sku: string;
  readonly key: string;
  /** By which of a buyer's two lines it comes: to another process where there are several. */
  readonly line: number;
}

/** What is stored about one product when its sale is over. */
export interface Books {
  readonly onHand: number;
  readonly reserved: number;
  readonly allocated: number;
  /** The sums of the claims that `reserved` and `allocated` stand for. */
  readonly held: number;
  readonly ordered: number;
  /** Every order for the product. */
  readonly orderIds: readonly string[];
}

/** A shop that sells pieces of scarce products to buyers who first reserve one. */
export interface Shop {
  /** Puts a new product on the shelf. */
  stock(sku: string, pieces: number): Promise<void>;
  /** Holds one piece; done: `id` names the reservation. */
  reserve(wish: Wish): Promise<Reply>;
  /** Buys the piece that is held; done: `id` names the order. */
  order(wish: Wish, reservation: string): Promise<Reply>;
  release(wish: Wish, reservation: string): Promise<Reply>;
  books(sku: string): Promise<Books>;
  /** What is wrong with everything that was ever sold, in words. */
  audit(): Promise<readonly string[]>;
  close(): Promise<void>;
}
