import { ExportFailed, ExportInterrupted } from './export.errors.js';

const SILENCE_MS = 90_000;
/** What may be over in a while; whatever else a server refuses, it refuses every time. */
const PASSING = new Set([408, 429, 500, 502, 503, 504]);

/** A running Daybook, asked as one caller. */
export class DaybookServer {
  constructor(
    private readonly url: URL,
    private readonly token: string | undefined,
    private readonly signal: AbortSignal,
  ) {}

  /** How many orders there are, about. */
  async estimate(list: URLSearchParams): Promise<number | undefined> {
    const parameters = new URLSearchParams([...list, ['limit', '1'], ['count', 'estimated']]);
    const answer = await this.ask('orders', parameters);
    const { total } = (await answer.json()) as { total?: number };
    return total;
  }

  /**
   * What the server sends, piece by piece, to its end.
   * @throws {ExportInterrupted} when it breaks off
   */
  async *export(parameters: URLSearchParams): AsyncGenerator<Uint8Array, void> {
    const { body } = await this.ask('orders/export', parameters);
    if (body === null) return;
    const reader = body.getReader();
    try {
      for (;;) {
        const { done, value } = await this.within(SILENCE_MS, reader.read());
        if (done) return;
        yield value;
      }
    } catch (error) {
      throw this.toFailure(error);
    } finally {
      // It ended, broke, or is no longer wanted; there is nothing more to know.
      reader.cancel().catch(() => undefined);
    }
  }

  private async ask(path: string, parameters: URLSearchParams): Promise<Response> {
    const base = this.url.href.replace(/\/$/, '');
    const headers = this.token === undefined ? {} : { authorization: `Bearer ${this.token}` };
    try {
      const request = fetch(`${base}/api/v1/${path}?${parameters.toString()}`, {
        headers,
        signal: this.signal,
      });
      const answer = await this.within(SILENCE_MS, request);
      if (answer.ok) return answer;
      throw await refusalOf(answer);
    } catch (error) {
      throw this.toFailure(error);
    }
  }

  private async within<T>(ms: number, promised: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new ExportInterrupted('The server has fallen silent.')), ms);
    });
    try {
      return await Promise.race([promised, silence]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** What fetch throws says little; what lies behind it says what happened. */
  private toFailure(error: unknown): unknown {
    if (this.signal.aborted || error instanceof ExportFailed || !(error instanceof TypeError)) return error;
    const { code, message } = (error.cause ?? error) as NodeJS.ErrnoException;
    return new ExportInterrupted(`The connection to ${this.url.origin} failed: ${message || code}`, 0, {
      cause: error,
    });
  }
}

async function refusalOf(answer: Response): Promise<ExportFailed> {
  const isProblem = answer.headers.get('content-type')?.startsWith('application/problem+json') === true;
  const text = await answer.text();
  const said = isProblem ? (JSON.parse(text) as { detail: string }).detail : answer.statusText;
  const message = `The server answers ${answer.status}: ${said}`;
  if (PASSING.has(answer.status)) {
    return new ExportInterrupted(message, Number(answer.headers.get('retry-after')) || 0);
  }
  if (answer.status !== 401) return new ExportFailed(message);
  return new ExportFailed(`${message}\nGive a token by DAYBOOK_TOKEN or --token; \`npm start\` shows one.`);
}
