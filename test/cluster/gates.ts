// The inside's half of the doors between the cluster's network and the host's: sockets belong to the namespace in which they were made.

import { connect, createServer, type Server, type Socket } from "node:net";
import { joinSockets } from "./sockets.ts";

const backlog = 1024;

export interface GateTarget {
  readonly host: string;
  readonly port: number;
}

/** Accepts on `server` and joins each connection with a new one to `target`. */
function joinEach(server: Server, target: GateTarget, open: Set<Socket>): void {
  server.on("connection", (client: Socket) => {
    const upstream = connect({ ...target, allowHalfOpen: true });
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on("close", () => open.delete(socket));
    }
    joinSockets(client, upstream);
  });
}

/** Opens and closes doors; used by both sides, each for the connections that end in its own network. */
export class Gates {
  readonly #gates = new Map<number, { readonly server: Server; readonly open: Set<Socket> }>();

  /** Takes over `server`, whose listening socket was made on the other side, and leads its connections to `target`. */
  lead(gate: number, server: Server, target: GateTarget): void {
    const open = new Set<Socket>();
    // A server that came over the channel has forgotten its options.
    Object.assign(server, { allowHalfOpen: true });
    joinEach(server, target, open);
    this.#gates.set(gate, { server, open });
  }

  /** Closes a door and the connections that went through it. */
  close(gate: number): void {
    const found = this.#gates.get(gate);
    this.#gates.delete(gate);
    found?.server.close();
    for (const socket of found?.open ?? []) socket.destroy();
  }

  closeAll(): void {
    for (const gate of this.#gates.keys()) this.close(gate);
  }
}

/** Listens on `host:port` (port 0: any free one) for the other side to take over. Throws when the port is taken. */
export function listen(host: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    server.once("error", reject);
    server.listen({ host, port, backlog, exclusive: true }, () => resolve(server));
  });
}
