// The API server's audit log: one JSON line for each write that it has answered, and for each read of the operator.

/** The service account of install/operator.yaml. */
export const operatorUser = "system:serviceaccount:plimsoll-system:plimsoll-operator";

export const writeVerbs = ["create", "update", "patch", "delete", "deletecollection"] as const;

/** Kubernetes' audit event, as far as the policy records it. */
export interface AuditEntry {
  readonly verb: (typeof writeVerbs)[number] | "get" | "list" | "watch";
  readonly requestURI: string;
  readonly user: { readonly username: string };
  readonly userAgent?: string;
  readonly objectRef?: {
    readonly resource: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly apiGroup?: string;
  };
  readonly responseStatus?: { readonly code: number };
  readonly requestReceivedTimestamp: string;
}

export function isWrite({ verb }: AuditEntry): boolean {
  return (writeVerbs as readonly string[]).includes(verb);
}

/** Parses the file's text. A last line that is still being written is left out. */
export function parseAuditLog(text: string): readonly AuditEntry[] {
  const complete = text.slice(0, text.lastIndexOf("\n") + 1);
  return complete
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as AuditEntry);
}
