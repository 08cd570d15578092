// Models behind http:// and https:// addresses, without credentials.

import { type Answer, type GetOptions, get, type HttpAccess, StatusError } from "./http-request.ts";
import { type OpenedFile, type Position, type RemoteFile, type RemoteStorage, RetryableError } from "./remote-file.ts";
import { invalidUri, withoutSecrets } from "./storage-uri.ts";

export type HttpExtras = Pick<GetOptions, "authorization" | "label" | "explain">;

/** There is nothing after the position: the file is shorter now, or was complete. */
const RANGE_NOT_SATISFIABLE = 416;

/** Throws a LoadError when the address is wrong. */
export function openHttpStorage(storageUri: string, access: HttpAccess): RemoteStorage {
  const url = URL.parse(storageUri);
  if (url === null || url.hostname === "") {
    throw invalidUri("the storage URI is no valid address; give https://HOST/PATH or http://HOST/PATH");
  }
  if (url.username !== "" || url.password !== "") {
    throw invalidUri(`${withoutSecrets(url)}: the storage URI must not contain a user name or password`);
  }
  return {
    label: withoutSecrets(url),
    name: url.pathname.split("/").at(-1) ?? "",
    file: httpFile(url, access),
    sibling: (relativePath) => httpFile(siblingOf(url, relativePath), access),
  };
}

/** Whoever needed a query, such as `?download=1`, for the one file needs it for the other. */
function siblingOf(url: URL, relativePath: string): URL {
  const sibling = new URL(relativePath.split("/").map(encodeURIComponent).join("/"), url);
  sibling.search = url.search;
  return sibling;
}

/** A file at a fixed address. @param extras what some schemes add to the request */
export function httpFile(url: URL, access: HttpAccess, extras: HttpExtras = {}): RemoteFile {
  return {
    label: extras.label ?? withoutSecrets(url),
    open: async (position, signal) => {
      const options = { ...extras, access, signal };
      try {
        return openedFile(await get(url, { ...options, headers: rangeHeaders(position) }), position);
      } catch (error) {
        if (position !== undefined && error instanceof StatusError && error.status === RANGE_NOT_SATISFIABLE) {
          return openedFile(await get(url, options), undefined);
        }
        throw error;
      }
    },
  };
}

function rangeHeaders(position: Position | undefined): Record<string, string> {
  return position === undefined ? {} : { range: `bytes=${position.bytes}-`, "if-range": position.validator };
}

/** Throws a RetryableError when the answer is about something else than what was asked for. */
function openedFile({ status, headers, chunks, close }: Answer, position: Position | undefined): OpenedFile {
  const validator = strongEtag(headers.etag);
  if (status === 200) {
    return { startsAt: 0, totalBytes: numberIn(headers["content-length"], /^(\d+)$/), validator, chunks, close };
  }
  const range = headers["content-range"];
  const startsAt = numberIn(range, /^bytes (\d+)-/);
  if (startsAt === undefined || position === undefined || validator !== position.validator) {
    close();
    throw new RetryableError("the answer is a part that was not asked for");
  }
  return { startsAt, totalBytes: numberIn(range, /\/(\d+)$/), validator, chunks, close };
}

/** Equal weak ETags do not mean equal bytes. */
function strongEtag(etag: string | undefined): string | undefined {
  return etag?.startsWith('"') === true ? etag : undefined;
}

function numberIn(text: string | undefined, pattern: RegExp): number | undefined {
  const digits = text === undefined ? undefined : pattern.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
