// Reads answers of HTTP/1.1 from one connection as cheaply as possible: only what a load generator needs to know.

const HEADERS_END = Buffer.from("\r\n\r\n");
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;
const CLOSES = /\r\nconnection: *close/i;
const STATUS = /^HTTP\/1\.1 (\d{3}) /;
const MAX_HEADER_BYTES = 16_384;

export interface HttpAnswerHead {
  readonly status: number;
  /** The server closes the connection after this answer. */
  readonly closes: boolean;
}

/** One connection's answers, of which there is at most one at a time. */
export class AnswerReader {
  #head: HttpAnswerHead | undefined;
  #headerBytes: Buffer = Buffer.alloc(0);
  #bodyBytesLeft = 0;

  /**
   * Takes what arrived. Returns the head of the answer when the answer is complete, else undefined.
   * Throws for what is no answer with a content length.
   */
  read(chunk: Buffer): HttpAnswerHead | undefined {
    let bodyBytes = chunk.length;
    if (this.#head === undefined) {
      const seen = this.#headerBytes.length === 0 ? chunk : Buffer.concat([this.#headerBytes, chunk]);
      const end = seen.indexOf(HEADERS_END);
      if (end < 0) {
        // A copy: the chunk's memory is used again for the next one.
        this.#headerBytes = Buffer.from(seen);
        if (seen.length > MAX_HEADER_BYTES) {
          throw new Error(`the headers of an answer are longer than ${MAX_HEADER_BYTES} bytes`);
        }
        return undefined;
      }
      this.#begin(seen.toString("latin1", 0, end));
      bodyBytes = seen.length - end - HEADERS_END.length;
    }
    this.#bodyBytesLeft -= bodyBytes;
    if (this.#bodyBytesLeft < 0) {
      throw new Error("an answer is longer than its content length");
    }
    return this.#bodyBytesLeft === 0 ? this.#finish() : undefined;
  }

  #begin(head: string): void {
    const status = STATUS.exec(head)?.[1];
    const length = CONTENT_LENGTH.exec(head)?.[1];
    if (status === undefined || length === undefined) {
      throw new Error(`an answer has no status or no content length: ${JSON.stringify(head.slice(0, 200))}`);
    }
    this.#head = { status: Number(status), closes: CLOSES.test(head) };
    this.#bodyBytesLeft = Number(length);
    this.#headerBytes = Buffer.alloc(0);
  }

  #finish(): HttpAnswerHead | undefined {
    const head = this.#head;
    this.#head = undefined;
    return head;
  }
}
