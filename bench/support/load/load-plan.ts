/** What one run of the load generator does. It crosses a process boundary, so it is plain data. */
export interface LoadPlan {
  /** Origin of the server, on a loopback address: `http://127.0.0.1:3000`. */
  url: string;
  /** Keep-alive connections. Each sends its next request when the answer to the last one is complete. */
  connections: number;
  warmUpSeconds: number;
  /** Length of the measured window; it ends early when `maximumRequests` have been sent. */
  seconds: number;
  /** Bound on everything sent, warm-up included. */
  maximumRequests: number;
  /** A module that exports `createRequests` (see RequestsModule), and what is handed to it. */
  requests: { module: string; options: unknown };
}

export interface LoadRequest {
  method: string;
  path: string;
  headers: readonly (readonly [name: string, value: string])[];
  /** ASCII, so that its length in characters is its length in bytes. */
  body: string;
}

/** Makes the next request of one connection. */
export type RequestFactory = (connection: number) => LoadRequest;

export interface RequestsModule {
  createRequests(options: unknown): Promise<RequestFactory>;
}

export interface Latency {
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

export type StatusCounts = Record<string, number>;

export interface LoadResult {
  connections: number;
  /** The measured window as it was, which is shorter than planned when the count ended it. */
  seconds: number;
  /** Answers of the 2xx class per second of the measured window. */
  perSecond: number;
  latencyMs: Latency;
  /** Answers within the measured window. */
  statuses: StatusCounts;
  /** Every answer, warm-up and the drain at the end included: what the database must agree with. */
  allStatuses: StatusCounts;
  /** Requests that got no answer, by reason. Their outcome is unknown. */
  failures: StatusCounts;
  /** Processor time the generator itself spent on one measured request. */
  generatorMicrosecondsPerRequest: number;
}

export interface LoadProgress {
  answered: number;
  elapsedSeconds: number;
}

export type LoadMessage =
  | { kind: 'progress'; progress: LoadProgress }
  | { kind: 'result'; result: LoadResult }
  | { kind: 'failure'; reason: string };
