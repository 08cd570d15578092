// Who asks: the front proxy's word for it, believed only from the front proxy.

import type { TLSSocket } from "node:tls";
import type { FrontProxyTrust } from "./front-proxy-trust.ts";
import { StatusError } from "./status-error.ts";

export interface User {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** What the TLS handshake found out about the client. */
export interface Peer {
  /** The certificate chains up to one of the trusted authorities and may identify a client. */
  readonly verified: boolean;
  /** Why not. */
  readonly problem?: string;
  readonly commonName?: string;
  /** Milliseconds since the epoch. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** HTTP headers by lower-case name, every value by itself: a group may contain a comma. */
export type Headers = Readonly<Record<string, readonly string[] | undefined>>;

/**
 * The user that the front proxy names. Throws `StatusError` 401 for anybody else, whatever the headers say:
 * without the proxy's certificate they are a claim that everybody can make.
 */
export function authenticate(peer: Peer | undefined, headers: Headers, trust: FrontProxyTrust, nowMs: number): User {
  requireFrontProxy(peer, trust, nowMs);
  const name = firstValue(headers, trust.usernameHeaders);
  if (name === undefined)
    throw new StatusError(401, `Unauthorized: none of ${trust.usernameHeaders.join(", ")} is set`);
  const uid = firstValue(headers, trust.uidHeaders);
  const groups = trust.groupHeaders.flatMap((header) => valuesOf(headers, header)).filter((group) => group !== "");
  return {
    name,
    ...(uid === undefined ? {} : { uid }),
    groups: withAuthenticated(name, groups),
    extra: extra(headers, trust),
  };
}

/** What is known of the client of a TLS connection, or undefined when it showed no certificate. */
export function peerOf(socket: TLSSocket): Peer | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const commonName: unknown = certificate.toLegacyObject().subject.CN;
  return {
    verified: socket.authorized,
    ...(socket.authorized ? {} : { problem: String(socket.authorizationError) }),
    // Several names are no name: which one counts differs between libraries.
    ...(typeof commonName === "string" ? { commonName } : {}),
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
  };
}

function requireFrontProxy(peer: Peer | undefined, { allowedNames }: FrontProxyTrust, nowMs: number): void {
  if (peer === undefined)
    throw new StatusError(401, "Unauthorized: a client certificate of the front proxy is required");
  if (!peer.verified)
    throw new StatusError(401, `Unauthorized: the client certificate is not trusted: ${peer.problem}`);
  // A connection may outlive the certificate that opened it.
  if (nowMs < peer.notBeforeMs || nowMs > peer.notAfterMs) {
    throw new StatusError(401, "Unauthorized: the client certificate is expired or not yet valid");
  }
  if (allowedNames.length === 0) return;
  if (peer.commonName === undefined || !allowedNames.includes(peer.commonName)) {
    const name = peer.commonName ?? "(none)";
    throw new StatusError(401, `Unauthorized: the client certificate's common name ${name} is not the front proxy's`);
  }
}

/** Kubernetes' libraries add the group, and the rules that open discovery to everybody name it. */
function withAuthenticated(name: string, groups: string[]): string[] {
  const settled = name === "system:anonymous" || groups.some((group) => /^system:(un)?authenticated$/.test(group));
  return settled ? groups : [...groups, "system:authenticated"];
}

function extra(headers: Headers, { extraHeaderPrefixes }: FrontProxyTrust): Record<string, string[]> {
  const entries = new Map<string, string[]>();
  for (const prefix of extraHeaderPrefixes) {
    for (const header of Object.keys(headers).filter((name) => name.startsWith(prefix))) {
      const key = unescapeKey(header.slice(prefix.length));
      entries.set(key, [...(entries.get(key) ?? []), ...valuesOf(headers, header)]);
    }
  }
  return Object.fromEntries(entries);
}

/** Keys that are no valid escapes are kept as they are, as in Kubernetes' own library. */
function unescapeKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

function firstValue(headers: Headers, names: readonly string[]): string | undefined {
  return names.map((name) => valuesOf(headers, name)[0]).find((value) => value !== undefined && value !== "");
}

/** Node hands header bytes out as Latin-1; Kubernetes sends UTF-8. */
function valuesOf(headers: Headers, name: string): string[] {
  return (headers[name] ?? []).map((value) => Buffer.from(value, "latin1").toString("utf8"));
}
