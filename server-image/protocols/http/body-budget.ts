// How many bytes of request bodies are held at once: each request takes its part, and gives it back when it is answered.

export class BodyBudget {
  readonly #maxBytes: number;
  #heldBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  open(): BodyShare {
    return new BodyShare(this);
  }

  /** False, with nothing taken, where so many bytes more would be beyond the budget. */
  take(bytes: number): boolean {
    if (this.#heldBytes + bytes > this.#maxBytes) {
      return false;
    }
    this.#heldBytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#heldBytes -= bytes;
  }
}

/** The part of one request. */
export class BodyShare {
  readonly #budget: Pick<BodyBudget, "take" | "give">;
  #takenBytes = 0;
  #released = false;

  constructor(budget: Pick<BodyBudget, "take" | "give">) {
    this.#budget = budget;
  }

  /** False, with nothing taken, where so many bytes more would be beyond the budget. */
  take(bytes: number): boolean {
    if (this.#released || !this.#budget.take(bytes)) {
      return false;
    }
    this.#takenBytes += bytes;
    return true;
  }

  /** Gives back all that was taken; takes nothing from then on. */
  release(): void {
    this.#budget.give(this.#takenBytes);
    this.#takenBytes = 0;
    this.#released = true;
  }
}
