import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** A span as it arrives, with the process that sent it. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly isFailed: boolean;
  /** The attributes of its process. */
  readonly resource: Readonly<Record<string, unknown>>;
}

/** A stand-in for an OpenTelemetry collector: takes OTLP as JSON over HTTP, and remembers it. */
export interface TraceCollector {
  /** What makes a server send its spans here, at once. */
  readonly environment: NodeJS.ProcessEnv;
  readonly spans: readonly ReceivedSpan[];
  /** Content types of the requests so far. */
  readonly contentTypes: readonly (string | undefined)[];
  close(): Promise<void>;
}

/** @param answer what becomes of a request once it has been read; by default it is accepted */
export async function startTraceCollector(
  answer: (response: ServerResponse) => void = (response) => void response.end('{}'),
): Promise<TraceCollector> {
  const spans: ReceivedSpan[] = [];
  const contentTypes: (string | undefined)[] = [];
  const receive = async (request: IncomingMessage, response: ServerResponse) => {
    const contentType = request.headers['content-type'];
    contentTypes.push(contentType);
    if (contentType === 'application/json') spans.push(...spansOf((await json(request)) as OtlpTraces));
    else request.resume();
    answer(response);
  };
  const server: Server = createServer((request, response) => void receive(request, response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    environment: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '50',
    },
    spans,
    contentTypes,
    close: async () => {
      server.closeAllConnections();
      await server[Symbol.asyncDispose]();
    },
  };
}

interface OtlpTraces {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly OtlpAttribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

interface OtlpSpan extends Pick<ReceivedSpan, 'traceId' | 'spanId' | 'parentSpanId' | 'name'> {
  readonly attributes: readonly OtlpAttribute[];
  readonly links?: ReceivedSpan['links'];
  readonly status?: { readonly code?: number };
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

const FAILED = 2;

function spansOf({ resourceSpans }: OtlpTraces): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap((scope) =>
      scope.spans.map(({ attributes, links = [], status, ...span }) => ({
        ...span,
        attributes: toRecord(attributes),
        links,
        isFailed: status?.code === FAILED,
        resource: toRecord(resource.attributes),
      })),
    ),
  );
}

/** `{ key: 'a', value: { intValue: 1 } }` is `a: 1`; a list of texts is the list. */
function toRecord(attributes: readonly OtlpAttribute[]): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value: { arrayValue, ...simple } }) => {
      const { values = [] } = (arrayValue ?? {}) as { values?: readonly Readonly<Record<string, unknown>>[] };
      const list = values.map((each) => Object.values(each)[0]);
      return [key, arrayValue === undefined ? Object.values(simple)[0] : list];
    }),
  );
}
