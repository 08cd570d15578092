// The one error type that a client sees: a code that each protocol maps to its own status, and a message for people.

/**
 * What went wrong, without any protocol's numbers:
 * - `INVALID_ARGUMENT` the request is wrong and will stay wrong
 * - `NOT_FOUND` no such model, version or path
 * - `TOO_LARGE` the body is above the limit
 * - `UNSUPPORTED_ENCODING` the body's Content-Encoding is not taken
 * - `UNSUPPORTED` right by the protocol, not offered by this server
 * - `UNAVAILABLE` not now: loading, queue full, waited too long, stopping; the same request may succeed later
 * - `CANCELLED` the client went away: nobody reads the answer
 * - `INTERNAL` the model or the server failed
 */
export type InferenceErrorCode =
  | "INVALID_ARGUMENT"
  | "NOT_FOUND"
  | "TOO_LARGE"
  | "UNSUPPORTED_ENCODING"
  | "UNSUPPORTED"
  | "UNAVAILABLE"
  | "CANCELLED"
  | "INTERNAL";

/** Its message goes to the client as it is: no stack, no file paths, no names that the client did not send or may not know. */
export class InferenceError extends Error {
  override readonly name = "InferenceError";
  readonly code: InferenceErrorCode;

  constructor(code: InferenceErrorCode, message: string, options?: ErrorOptions) {
    // Collecting the stack would be most of the cost of a refusal, and nobody reads it: the message says it all.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, options);
    Error.stackTraceLimit = stackTraceLimit;
    this.code = code;
  }
}

/** The commonest case: the request is wrong. */
export function invalidArgument(message: string): InferenceError {
  return new InferenceError("INVALID_ARGUMENT", message);
}
