// A request to the API server as a fault sees it: what it is about, read from its method and its path.

export interface Call {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly kind: "watch" | "list" | "get" | "write";
  /** Plural name, with `/SUBRESOURCE` where there is one. */
  readonly resource: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

/** Leases say who leads; reviews are questions that are kept nowhere. */
const notWrites: ReadonlySet<string> = new Set(["leases", "subjectaccessreviews", "tokenreviews"]);

/**
 * @example callOf("PATCH", "/apis/apps/v1/namespaces/a/deployments/b/scale?x=1")
 *   // { kind: "write", resource: "deployments/scale", namespace: "a", name: "b", ... }
 */
export function callOf(method: string, path: string): Call {
  const { pathname, searchParams } = new URL(path, "http://localhost");
  const parts = pathname.split("/").filter((part) => part !== "");
  const inGroup = parts.slice(parts[0] === "api" ? 2 : 3);
  const namespaced = inGroup[0] === "namespaces" && inGroup.length > 2;
  const [plural = "", name, subresource] = namespaced ? inGroup.slice(2) : inGroup;
  return {
    method,
    path,
    kind: kindOf(method, plural, { name, watch: searchParams.get("watch") === "true" }),
    resource: subresource === undefined ? plural : `${plural}/${subresource}`,
    namespace: namespaced ? inGroup[1] : undefined,
    name,
  };
}

function kindOf(
  method: string,
  plural: string,
  { name, watch }: { readonly name: string | undefined; readonly watch: boolean },
): Call["kind"] {
  if (method !== "GET") return notWrites.has(plural) ? "get" : "write";
  if (watch) return "watch";
  return name === undefined && plural !== "" ? "list" : "get";
}
