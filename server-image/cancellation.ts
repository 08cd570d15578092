// Word that nobody waits for an answer any more; far cheaper than the AbortSignal that each request would need otherwise.

export class Cancellation {
  #cancelled = false;
  #listener: (() => void) | undefined;

  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** Calls the listener, the first time only. */
  cancel(): void {
    if (!this.#cancelled) {
      this.#cancelled = true;
      this.#listener?.();
    }
  }

  /** Sets the one listener, or takes it away again. It is not called for what happened before: ask `cancelled` first. */
  listen(listener: (() => void) | undefined): void {
    this.#listener = listener;
  }
}
