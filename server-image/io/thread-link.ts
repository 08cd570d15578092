// Questions and answers between two threads, in both directions, each answer found by the number of its question.

import { InferenceError, type InferenceErrorCode } from "../inference-error.ts";

/** A worker, or the port to the thread that started this one. */
export interface Port {
  postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  on(event: "message", listener: (message: LinkMessage) => void): unknown;
}

/** What may be asked: by name, what the question carries and what the answer does. */
export type Calls = { readonly [name: string]: { readonly ask: unknown; readonly answer: unknown } };

export type Handlers<C extends Calls> = {
  readonly [K in keyof C]: (ask: C[K]["ask"]) => Promise<C[K]["answer"]>;
};

type LinkMessage =
  | { readonly kind: "ask"; readonly id: number; readonly name: string; readonly value: unknown }
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "error"; readonly id: number; readonly code: InferenceErrorCode; readonly message: string };

export class ThreadLink<Outgoing extends Calls, Incoming extends Calls> {
  readonly #port: Port;
  readonly #handlers: Handlers<Incoming>;
  readonly #asked = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;
  #failure: Error | undefined;

  constructor(port: Port, handlers: Handlers<Incoming>) {
    this.#port = port;
    this.#handlers = handlers;
    port.on("message", (message) => this.#receive(message));
  }

  /** Rejects with the InferenceError of the other side; any other error there comes as `INTERNAL`. */
  async ask<K extends keyof Outgoing & string>(
    name: K,
    value: Outgoing[K]["ask"],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Outgoing[K]["answer"]> {
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
    this.#lastId += 1;
    const answer = Promise.withResolvers<unknown>();
    // Throws for what cannot be sent, and then no answer will come.
    this.#port.postMessage({ kind: "ask", id: this.#lastId, name, value }, transfer);
    this.#asked.set(this.#lastId, answer);
    return answer.promise;
  }

  /** The other thread is gone: nobody will answer, now or later. */
  fail(error: Error): void {
    this.#failure = error;
    for (const answer of this.#asked.values()) {
      answer.reject(error);
    }
    this.#asked.clear();
  }

  #receive(message: LinkMessage): void {
    if (message.kind === "ask") {
      void this.#answer(message.id, message.name, message.value);
      return;
    }
    const asked = this.#asked.get(message.id);
    this.#asked.delete(message.id);
    if (message.kind === "answer") {
      asked?.resolve(message.value);
    } else {
      asked?.reject(new InferenceError(message.code, message.message));
    }
  }

  async #answer(id: number, name: string, ask: unknown): Promise<void> {
    try {
      const value = await this.#handlers[name]?.(ask);
      this.#port.postMessage({ kind: "answer", id, value }, []);
    } catch (error) {
      const [code, text] =
        error instanceof InferenceError ? [error.code, error.message] : ["INTERNAL", "internal error"];
      this.#port.postMessage({ kind: "error", id, code, message: text }, []);
    }
  }
}
