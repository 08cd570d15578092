// What can go wrong between this program and the API server, and what the controller loop does about each.

/** One field that the API server complained about. */
export interface StatusCause {
  readonly reason?: string;
  readonly message?: string;
  readonly field?: string;
}

/** The parts of a `meta/v1` Status that this program reads. */
export interface Status {
  readonly kind?: string;
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: {
    readonly name?: string;
    readonly kind?: string;
    readonly causes?: readonly StatusCause[];
    readonly retryAfterSeconds?: number;
  };
}

/** The API server answered, and the answer is not 2xx. */
export class ApiError extends Error {
  readonly code = "API_ERROR";
  /** HTTP status. */
  readonly status: number;
  /** The machine-readable word of the answer, such as `AlreadyExists`; `Unknown` where the answer has none. */
  readonly reason: string;
  readonly retryAfterSeconds: number | undefined;
  readonly causes: readonly StatusCause[];

  constructor(attempted: string, status: number, answer: Status) {
    super(`${attempted}: ${answer.message ?? `HTTP ${status}`}`);
    this.name = "ApiError";
    this.status = status;
    this.reason = answer.reason ?? "Unknown";
    this.retryAfterSeconds = answer.details?.retryAfterSeconds;
    this.causes = answer.details?.causes ?? [];
  }
}

/** No complete answer came: refused, reset, timed out, silent, cut short, or not what an API server says. */
export class ConnectionError extends Error {
  readonly code = "CONNECTION_ERROR";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ConnectionError";
  }
}

/** The answer is larger than the client reads; a smaller page may pass. */
export class AnswerTooLargeError extends Error {
  readonly code = "ANSWER_TOO_LARGE";

  constructor(attempted: string, maxBytes: number) {
    super(`${attempted}: the answer is larger than ${maxBytes} bytes`);
    this.name = "AnswerTooLargeError";
  }
}

/** Trying again cannot help until somebody changes something: the controller does not retry. */
export class TerminalError extends Error {
  readonly code = "TERMINAL";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "TerminalError";
  }
}

/** Somebody else was faster: the controller looks again, and counts it apart from errors. */
export class ConflictError extends Error {
  readonly code = "CONFLICT";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ConflictError";
  }
}

/** An object of the wanted name exists and belongs to somebody else; it is left as it is. */
export class NotControlledError extends Error {
  readonly code = "NOT_CONTROLLED";

  constructor(object: string, controller: string | undefined) {
    super(
      `${object} exists and is ${controller === undefined ? "controlled by nobody" : `controlled by ${controller}`}: ` +
        "delete or rename it, or give the new object another name",
    );
    this.name = "NotControlledError";
  }
}

/** The request was not sent: this replica does not lead, or cannot be sure any more that it does. */
export class NotLeaderError extends Error {
  readonly code = "NOT_LEADER";

  constructor(attempted: string) {
    super(`${attempted}: not sent, because this replica is not the leader`);
    this.name = "NotLeaderError";
  }
}

/** This replica led and does not any more: another one may act from now on, so the program has to end. */
export class LeadershipLostError extends Error {
  readonly code = "LEADERSHIP_LOST";

  constructor(lease: string, reason: string) {
    super(`lost the lease ${lease}: ${reason}`);
    this.name = "LeadershipLostError";
  }
}

/** Every error class of this folder with its stable code. */
export const errorCodes = {
  API_ERROR: ApiError,
  CONNECTION_ERROR: ConnectionError,
  ANSWER_TOO_LARGE: AnswerTooLargeError,
  TERMINAL: TerminalError,
  CONFLICT: ConflictError,
  NOT_CONTROLLED: NotControlledError,
  NOT_LEADER: NotLeaderError,
  LEADERSHIP_LOST: LeadershipLostError,
} as const;

export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

/** True for `Conflict` and `AlreadyExists`: the view that led to the write was out of date. */
export function isConflict(error: unknown): boolean {
  return error instanceof ConflictError || (error instanceof ApiError && error.status === 409);
}

export function isAlreadyExists(error: unknown): boolean {
  return error instanceof ApiError && error.status === 409 && error.reason === "AlreadyExists";
}

/** The resource version asked for is no longer known to the API server. */
export function isExpired(error: unknown): boolean {
  return error instanceof ApiError && error.status === 410;
}
