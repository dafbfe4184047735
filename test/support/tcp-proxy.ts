import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A stretch of network between a client and a server, on loopback, that a test can interrupt. It changes no byte.
 */
export class TcpProxy {
  /** Called with what the client sends, before the server gets it; false: the server never does. */
  onRequest: (chunk: Buffer) => boolean = () => true;
  /** Called with what the server sends, before the client gets it; false: the client never does. */
  onAnswer: (chunk: Buffer) => boolean = () => true;
  private readonly sockets = new Set<Socket>();
  private isFrozen = false;

  private constructor(
    private readonly target: { readonly host: string; readonly port: number },
    private server: Server,
    readonly port: number,
  ) {
    this.accept();
  }

  /** @param url of the server behind it; only host and port count */
  static async before(url: string): Promise<TcpProxy> {
    const { hostname, port } = new URL(url);
    const server = await listen(0);
    return new TcpProxy(
      { host: hostname, port: Number(port) },
      server,
      (server.address() as AddressInfo).port,
    );
  }

  /** The same URL, by way of this proxy. */
  through(url: string): string {
    const target = new URL(url);
    target.port = String(this.port);
    return target.href;
  }

  /** Breaks all connections, and refuses new ones until {@link mend}. */
  async cut(how: 'reset' | 'end' = 'reset'): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.breakConnections(how);
    await closed;
  }

  async mend(): Promise<void> {
    this.server = await listen(this.port);
    this.accept();
  }

  /** @param how what both ends see: an error, or an end in the middle of everything */
  breakConnections(how: 'reset' | 'end' = 'reset'): void {
    for (const socket of this.sockets) {
      if (how === 'reset') socket.resetAndDestroy();
      else socket.destroySoon();
    }
  }

  /** From now on nothing comes through, and nobody is told; until {@link thaw}. */
  freeze(): void {
    this.isFrozen = true;
    for (const socket of this.sockets) socket.pause();
  }

  thaw(): void {
    this.isFrozen = false;
    for (const socket of this.sockets) socket.resume();
  }

  async close(): Promise<void> {
    if (this.server.listening) await this.cut();
  }

  private accept(): void {
    this.server.on('connection', (client) => {
      const server = connect(this.target);
      for (const socket of [client, server]) {
        socket.setNoDelay(true);
        this.sockets.add(socket);
        if (this.isFrozen) socket.pause();
        // Either end may break in the middle of anything; that is what this is for. The other end then breaks too.
        socket.on('error', () => undefined);
        socket.on('close', () => {
          this.sockets.delete(socket);
          client.destroy();
          server.destroy();
        });
      }
      client.on('data', (chunk: Buffer) => {
        if (this.onRequest(chunk)) server.write(chunk);
      });
      server.on('data', (chunk: Buffer) => {
        if (this.onAnswer(chunk)) client.write(chunk);
      });
      client.on('end', () => server.end());
      server.on('end', () => client.end());
    });
  }
}

async function listen(port: number): Promise<Server> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
