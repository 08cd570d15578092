// Keeps the certification authority in one Secret, shared by all replicas of the operator and by the next one.

import type { Secret } from "kubernetes-types/core/v1.js";
import { fieldManager } from "../api/group.ts";
import { isConflict } from "../kube/errors.ts";
import { secrets } from "../kube/resource-types.ts";
import type { KubeClient, Logger } from "../kube/types.ts";
import { type Authority, authorityNeedsRenewal, checkAuthority, createAuthority } from "./certificate.ts";
import { joinPem, splitPem } from "./pem.ts";

export interface AuthorityStoreOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Of the Secret. */
  readonly name: string;
  /** Whether this replica is the one that writes. */
  readonly mayWrite: () => boolean;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly logger: Logger;
}

const maxAttempts = 5;

export class AuthorityStore {
  readonly #options: AuthorityStoreOptions;
  #known: Authority | undefined;

  constructor(options: AuthorityStoreOptions) {
    this.#options = options;
  }

  /**
   * The authority that all replicas share, made or renewed when needed. Undefined while there is none and another
   * replica has to make it. Replicas that write at the same time end up with the same one: the first write wins.
   */
  async load(signal: AbortSignal): Promise<Authority | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        this.#known = (await this.#loadOnce(signal)) ?? this.#known;
        return this.#known;
      } catch (error) {
        if (!isConflict(error) || attempt === maxAttempts) throw error;
      }
    }
  }

  async #loadOnce(signal: AbortSignal): Promise<Authority | undefined> {
    const { client, namespace, name, mayWrite, now, logger } = this.#options;
    const secret = await client.get(secrets, { namespace, name }, { signal });
    const stored = secret === undefined ? undefined : await this.#read(secret);
    if (stored !== undefined && !authorityNeedsRenewal(stored, now())) return stored;
    if (!mayWrite()) return stored;
    // A Secret deleted or damaged by hand comes back as it was: nothing that trusts it has to change.
    const wanted = stored === undefined ? (this.#known ?? (await createAuthority(now()))) : await this.#renew(stored);
    const resourceVersion = secret?.metadata?.resourceVersion;
    const written = asSecret(wanted, {
      namespace,
      name,
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    });
    const options = { fieldManager, signal };
    if (secret === undefined) await client.create(secrets, written, options);
    else await client.patch(secrets, { namespace, name }, written, options);
    logger.info({ namespace, name, trusted: wanted.certificates.length }, "wrote the external metrics authority");
    return wanted;
  }

  #renew(authority: Authority): Promise<Authority> {
    return createAuthority(this.#options.now(), authority.certificates);
  }

  /** Undefined for a Secret that holds no usable authority. */
  async #read(secret: Secret): Promise<Authority | undefined> {
    const { namespace, name, logger } = this.#options;
    try {
      return await fromSecret(secret);
    } catch (err) {
      logger.warn({ namespace, name, err }, "the Secret holds no usable authority and is replaced");
      return undefined;
    }
  }
}

function asSecret({ certificates, key }: Authority, metadata: NonNullable<Secret["metadata"]>): Secret {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata,
    data: { "ca.crt": encode(joinPem(certificates)), "ca.key": encode(key) },
  };
}

async function fromSecret({ data }: Secret): Promise<Authority> {
  const [newest, ...older] = splitPem(decode(data?.["ca.crt"]));
  if (newest === undefined) throw new Error("ca.crt holds no certificate");
  const authority: Authority = { certificates: [newest, ...older], key: decode(data?.["ca.key"]) };
  await checkAuthority(authority);
  return authority;
}

function encode(text: string): string {
  return Buffer.from(text).toString("base64");
}

function decode(base64 = ""): string {
  return Buffer.from(base64, "base64").toString();
}
