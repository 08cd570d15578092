// Listens on one address of a Service and spreads its connections over the endpoints, each in its turn.

import { connect, createServer, type Server, type Socket } from "node:net";
import type { Address } from "./service-endpoints.ts";
import { joinSockets } from "./sockets.ts";

const backlog = 4096;
const connectTimeoutMs = 2000;

/** A client that came before its upstream stays paused; an address that refuses is skipped for the next one. */
export class ServiceListener {
  readonly #address: Address;
  readonly #server: Server;
  #endpoints: readonly Address[] = [];
  #next = 0;

  constructor(address: Address, onError: (error: Error) => void) {
    this.#address = address;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (client) => {
      // Until it is joined with an upstream, only this listener hears of a client that goes away.
      client.on("error", () => client.destroy());
      this.#connect(client, this.#endpoints.length);
    });
    this.#server.on("error", onError);
  }

  /** New connections go to these; connections that exist are left alone. */
  set endpoints(endpoints: readonly Address[]) {
    this.#endpoints = endpoints;
  }

  /** Resolves when connections are accepted. A failure, now or later, goes to `onError`. */
  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen({ ...this.#address, backlog }, resolve));
  }

  /** New connections are refused from now on; connections that exist are left alone. */
  close(): void {
    this.#server.close();
  }

  #connect(client: Socket, tries: number): void {
    const endpoint = this.#endpoints[this.#next % this.#endpoints.length];
    this.#next += 1;
    if (endpoint === undefined || tries === 0 || client.destroyed) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ ...endpoint, allowHalfOpen: true, noDelay: true });
    const timer = setTimeout(() => upstream.destroy(new Error("no connection in time")), connectTimeoutMs);
    const refused = (): void => {
      clearTimeout(timer);
      this.#connect(client, tries - 1);
    };
    upstream.once("error", refused);
    upstream.once("connect", () => {
      clearTimeout(timer);
      upstream.off("error", refused);
      if (client.destroyed) {
        upstream.destroy();
        return;
      }
      joinSockets(client, upstream);
      client.resume();
    });
  }
}
