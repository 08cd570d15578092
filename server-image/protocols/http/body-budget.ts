// How many bytes of request bodies are held at once: each request takes its part, and gives it back when it is answered.

/** The part of one request. */
export interface BodyShare {
  /** False, with nothing taken, where so many bytes more would be beyond the budget. */
  readonly take: (bytes: number) => boolean;
  /** Gives back all that was taken; takes nothing from then on. */
  readonly release: () => void;
}

export class BodyBudget {
  readonly #maxBytes: number;
  #heldBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  open(): BodyShare {
    let takenBytes = 0;
    let released = false;
    return {
      take: (bytes) => {
        if (released || this.#heldBytes + bytes > this.#maxBytes) {
          return false;
        }
        this.#heldBytes += bytes;
        takenBytes += bytes;
        return true;
      },
      release: () => {
        this.#heldBytes -= takenBytes;
        takenBytes = 0;
        released = true;
      },
    };
  }
}
