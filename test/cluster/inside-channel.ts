// The starter's end of the channel to the process inside the cluster's namespaces: requests, their answers, news.

import type { ChildProcess } from "node:child_process";
import type { Server } from "node:net";
import { ClusterError } from "./errors.ts";
import type { InsideMessage, InsideRequest } from "./inside-protocol.ts";

type WithoutId<T> = T extends { readonly id: number } ? Omit<T, "id"> : never;
type Request = WithoutId<InsideRequest>;
type News = Exclude<InsideMessage, { type: "answer" }>;

interface Pending {
  readonly method: string;
  readonly resolve: (handle: Server | undefined) => void;
  readonly reject: (error: ClusterError) => void;
}

export class InsideChannel {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  constructor(child: ChildProcess, onNews: (news: News) => void) {
    this.#child = child;
    child.on("message", (message: InsideMessage, handle) => {
      if (message.type === "answer") this.#settle(message, handle as Server | undefined);
      else onNews(message);
    });
    child.once("disconnect", () => this.#fail());
    child.once("exit", () => this.#fail());
  }

  /**
   * Sends a request and resolves with its number (the gate's, for `forward` and `reverse`) and the answer's handle.
   * `server` is handed over: this process no longer accepts on it. Throws `ClusterError`.
   */
  async request(
    request: Request,
    server?: Server,
  ): Promise<{ readonly id: number; readonly handle: Server | undefined }> {
    this.#lastId += 1;
    const id = this.#lastId;
    const { method } = request;
    if (!this.#child.connected) throw new ClusterError("NOT_RUNNING", `${method}: the cluster has ended`);
    const handle = await new Promise<Server | undefined>((resolve, reject) => {
      this.#pending.set(id, { method, resolve, reject });
      this.#child.send({ ...request, id }, server, {}, () => server?.close());
    });
    return { id, handle };
  }

  #settle(answer: Extract<InsideMessage, { type: "answer" }>, handle: Server | undefined): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if (answer.error === undefined) pending?.resolve(handle);
    else pending?.reject(new ClusterError("REQUEST_FAILED", `${pending.method}: ${answer.error}`));
  }

  #fail(): void {
    for (const { method, reject } of this.#pending.values()) {
      reject(new ClusterError("NOT_RUNNING", `${method}: the cluster ended before it answered`));
    }
    this.#pending.clear();
  }
}
