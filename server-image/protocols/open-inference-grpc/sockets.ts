// The sockets of one gRPC port: how many there may be, and which one makes room for another, as for HTTP.

import type { Http2Session } from "node:http2";
import type { Socket } from "node:net";

import type { CallInternals } from "./call-internals.ts";

interface Use {
  readonly socket: Socket;
  /** Calls that are open, of any kind. */
  calls: number;
}

export class Sockets {
  readonly #maxSockets: () => number;
  /** The oldest first. */
  readonly #open = new Map<Socket, Use>();
  /** Those without a call so far, the oldest first. */
  readonly #silent = new Set<Socket>();
  /** Node shows a session's socket only through a proxy, which is found by the address of its client. */
  readonly #byClient = new Map<string, Use>();
  readonly #bySession = new WeakMap<Http2Session, Use>();

  /** @param maxSockets asked for each new one */
  constructor(maxSockets: () => number) {
    this.#maxSockets = maxSockets;
  }

  /** For each new one. False, having ended it, where there are too many and calls are open on all others. */
  accept(socket: Socket): boolean {
    if (this.#open.size >= this.#maxSockets() && !this.#makeRoom()) {
      socket.destroy();
      return false;
    }
    const use = { socket, calls: 0 };
    const client = clientOf(socket);
    this.#open.set(socket, use);
    this.#silent.add(socket);
    this.#byClient.set(client, use);
    socket.once("close", () => {
      this.#forget(socket);
      if (this.#byClient.get(client) === use) {
        this.#byClient.delete(client);
      }
    });
    return true;
  }

  /** For each call of any kind when it arrives. */
  callBegan({ session, stream }: Pick<CallInternals, "session" | "stream">): void {
    const use = session && this.#find(session);
    if (use === undefined) {
      return;
    }
    this.#silent.delete(use.socket);
    use.calls += 1;
    stream.once("close", () => {
      use.calls -= 1;
    });
  }

  endAll(): void {
    for (const socket of this.#open.keys()) {
      socket.destroy();
    }
  }

  #find(session: Http2Session): Use | undefined {
    const known = this.#bySession.get(session);
    if (known !== undefined || session.destroyed) {
      return known;
    }
    const use = this.#byClient.get(clientOf(session.socket));
    if (use !== undefined) {
      this.#bySession.set(session, use);
    }
    return use;
  }

  /** Those that never asked go first, so clients at work notice nothing of it. */
  #makeRoom(): boolean {
    const [silent] = this.#silent;
    const leaving = silent ?? this.#findIdle();
    if (leaving === undefined) {
      return false;
    }
    leaving.destroy();
    this.#forget(leaving);
    return true;
  }

  #findIdle(): Socket | undefined {
    for (const { socket, calls } of this.#open.values()) {
      if (calls === 0) {
        return socket;
      }
    }
    return undefined;
  }

  #forget(socket: Socket): void {
    this.#open.delete(socket);
    this.#silent.delete(socket);
  }
}

function clientOf({ remoteAddress, remotePort }: Pick<Socket, "remoteAddress" | "remotePort">): string {
  return `${remoteAddress ?? ""} ${remotePort ?? ""}`;
}
