// For tests: what a Kubernetes Service does with connections: each goes to one of the endpoints there are, and stays there.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class Dispatcher {
  /** Ports that new connections may go to; to be changed at will. */
  readonly endpoints: number[] = [];
  readonly #random: () => number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** @param random a number in [0, 1), for each connection */
  constructor(random: () => number) {
    this.#random = random;
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => this.#dispatch(client));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  remove(endpoint: number): void {
    this.endpoints.splice(this.endpoints.indexOf(endpoint), 1);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  #dispatch(client: Socket): void {
    const endpoint = this.endpoints[Math.floor(this.#random() * this.endpoints.length)];
    if (endpoint === undefined) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: endpoint, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    this.#join(client, server);
    this.#join(server, client);
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.pipe(to);
    from.on("error", () => to.resetAndDestroy());
    from.once("close", () => this.#sockets.delete(from));
  }
}

/** Numbers in [0, 1) that look random and are the same each time. */
export function sameRandom(): () => number {
  let state = 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
