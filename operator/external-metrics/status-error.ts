// Errors that a client of the API sees, in the form that every Kubernetes client reads: a meta/v1 Status.

const reasons = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  408: "Timeout",
  431: "RequestHeaderFieldsTooLarge",
  500: "InternalError",
} as const;

export type StatusCode = keyof typeof reasons;

/** An answer other than 200. The message goes to the client: it holds nothing that the client may not know. */
export class StatusError extends Error {
  readonly code = "STATUS";
  /** HTTP status. */
  readonly status: StatusCode;

  constructor(status: StatusCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StatusError";
    this.status = status;
  }
}

/** The body that goes with the HTTP status. */
export function statusBody({ status, message }: StatusError): object {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason: reasons[status],
    code: status,
  };
}
