// The parts of a request's path, decoded.

/** Paths that were split before; clients ask for the same few again and again. */
const SPLIT_PATHS = new Map<string, string[]>();
const MAX_SPLIT_PATHS = 100;

/** `/v2/models/a%2Fb?x` is ["v2", "models", "a/b"]; undefined where a part cannot be decoded. */
export function splitPath(url: string): readonly string[] | undefined {
  const known = SPLIT_PATHS.get(url);
  if (known !== undefined) {
    return known;
  }
  const parts = splitNewPath(url);
  if (parts !== undefined) {
    if (SPLIT_PATHS.size >= MAX_SPLIT_PATHS) {
      SPLIT_PATHS.clear();
    }
    SPLIT_PATHS.set(url, parts);
  }
  return parts;
}

/** As requests to proxies have it, which every server must take. */
const ORIGIN = /^https?:\/\/[^/?]*/i;

function splitNewPath(url: string): string[] | undefined {
  const [path = ""] = url.replace(ORIGIN, "").split("?", 1);
  const parts = path.split("/").slice(1);
  if (parts.at(-1) === "") {
    parts.pop();
  }
  try {
    return parts.map(decodeURIComponent);
  } catch {
    return undefined;
  }
}
