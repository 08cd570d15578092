// What can go wrong with a local cluster, for people: each message says what to do.

export type ClusterErrorCode =
  | "BINARY_MISSING"
  | "NAMESPACES_NOT_ALLOWED"
  | "TOOL_MISSING"
  | "START_FAILED"
  | "START_ABORTED"
  | "NOT_RUNNING"
  | "ALREADY_RUNNING"
  | "REQUEST_FAILED";

export class ClusterError extends Error {
  readonly code: ClusterErrorCode;
  override readonly name = "ClusterError";

  constructor(code: ClusterErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
