// One connection of the open loop: sends a request's bytes, says when the answer is complete or will never be.

import { connect, type Socket } from "node:net";
import { AnswerReader } from "./http-answer.ts";

/** Told each at most once for a request; after `failed` the connection is of no more use. */
export interface ConnectionOwner {
  /** `reusable`: the server keeps the connection open. */
  readonly answered: (connection: Connection, status: number, reusable: boolean) => void;
  readonly failed: (connection: Connection, reason: string) => void;
}

/** Shared by all connections: an answer is looked at before the next one arrives. */
const READ_BUFFER = Buffer.allocUnsafe(65_536);

export class Connection {
  readonly #socket: Socket;
  readonly #reader = new AnswerReader();
  readonly #owner: ConnectionOwner;
  #isOver = false;

  constructor(port: number, owner: ConnectionOwner) {
    this.#owner = owner;
    const callback = (bytes: number, buffer: Uint8Array) => {
      this.#receive(Buffer.from(buffer.buffer, buffer.byteOffset, bytes));
      return true;
    };
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true, onread: { buffer: READ_BUFFER, callback } });
    this.#socket.on("error", (error: NodeJS.ErrnoException) => this.#fail(error.code ?? error.message));
    this.#socket.on("close", () => this.#fail("closed by the server"));
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** Without telling the owner. */
  destroy(): void {
    this.#isOver = true;
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    try {
      const head = this.#reader.read(chunk);
      if (head !== undefined && !this.#isOver) {
        if (head.closes) {
          this.destroy();
        }
        this.#owner.answered(this, head.status, !head.closes);
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
      this.#socket.destroy();
    }
  }

  #fail(reason: string): void {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#owner.failed(this, reason);
    }
  }
}
