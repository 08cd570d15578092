// HTTP agents that check the address they are about to connect to, whatever name or spelling led to it.

import { type LookupAddress, lookup } from "node:dns";
import { type AgentOptions, type ClientRequestArgs, Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent, type RequestOptions } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import type { Duplex } from "node:stream";
import { callbackify } from "node:util";

import { LoadError } from "../load-error.ts";
import type { NetworkPolicy } from "./network-policy.ts";

/** All addresses of a host name. Rejects when there is none. */
export type ResolveHost = (name: string) => Promise<readonly LookupAddress[]>;

export interface GuardedAgents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

type OnSocket = (error: Error | null, socket: Duplex) => void;

/** Asks the system, which knows the cluster's own names. */
export const resolveWithSystem: ResolveHost = async (name) => {
  const { promise, resolve, reject } = Promise.withResolvers<LookupAddress[]>();
  lookup(name, { all: true }, (error, addresses) => (error === null ? resolve(addresses) : reject(error)));
  return promise;
};

/**
 * Agents whose connections fail with a LoadError where `policy` refuses the address. A name is resolved once per
 * connection and the addresses that were checked are the ones connected to: a name that changes in between gains nothing.
 * @param advice what to do about a private address that is not configured
 */
export function makeGuardedAgents(policy: NetworkPolicy, resolve: ResolveHost, advice: string): GuardedAgents {
  const guard = new AddressGuard(policy, advice);
  // One connection per request, gone with it: none is left behind when the download ends.
  const options: AgentOptions & { lookup: LookupFunction } = {
    keepAlive: false,
    lookup: guardedLookup(guard, resolve),
  };
  return { http: new GuardedHttpAgent(guard, options), https: new GuardedHttpsAgent(guard, options) };
}

class GuardedHttpAgent extends HttpAgent {
  readonly #guard: AddressGuard;

  constructor(guard: AddressGuard, options: AgentOptions) {
    super(options);
    this.#guard = guard;
  }

  override createConnection(target: ClientRequestArgs, onSocket?: OnSocket): Duplex | null | undefined {
    const refused = this.#guard.refuseLiteral(target.host);
    return refused === undefined ? super.createConnection(target, onSocket) : fail(refused, onSocket);
  }
}

class GuardedHttpsAgent extends HttpsAgent {
  readonly #guard: AddressGuard;

  constructor(guard: AddressGuard, options: AgentOptions) {
    super(options);
    this.#guard = guard;
  }

  override createConnection(target: RequestOptions, onSocket?: OnSocket): Duplex | null | undefined {
    const refused = this.#guard.refuseLiteral(target.host);
    return refused === undefined ? super.createConnection(target, onSocket) : fail(refused, onSocket);
  }
}

/** Node calls with the error alone; its types want a socket as well. */
function fail(error: LoadError, onSocket: OnSocket | undefined): undefined {
  (onSocket as ((error: Error) => void) | undefined)?.(error);
}

class AddressGuard {
  readonly #policy: NetworkPolicy;
  readonly #advice: string;

  constructor(policy: NetworkPolicy, advice: string) {
    this.#policy = policy;
    this.#advice = advice;
  }

  isAllowed(address: string): boolean {
    return this.#policy.refusalOf(address) === undefined;
  }

  /** Node looks up no name for what is an address already, so that is checked here; all else meets `guardedLookup`. */
  refuseLiteral(host: string | null | undefined): LoadError | undefined {
    return host === null || host === undefined || isIP(host) === 0 ? undefined : this.refuse(host, [host]);
  }

  /** The complaint about the first of the addresses that is refused; undefined where none is. */
  refuse(host: string, addresses: readonly string[]): LoadError | undefined {
    const address = addresses.find((each) => !this.isAllowed(each));
    if (address === undefined) {
      return undefined;
    }
    const subject = host === address ? `the address ${address}` : `${host} has the address ${address}, which`;
    const advice =
      this.#policy.refusalOf(address) === "forbidden"
        ? "link-local, metadata and other special addresses are never connected to"
        : this.#advice;
    return new LoadError("download", "ADDRESS_NOT_ALLOWED", `${subject} is not allowed; ${advice}`);
  }
}

function guardedLookup(guard: AddressGuard, resolve: ResolveHost): LookupFunction {
  const find = callbackify(async (name: string, family: unknown) => {
    const addresses = await resolve(name);
    const fitting = addresses.filter(
      (entry) => guard.isAllowed(entry.address) && (family === 0 || family === undefined || family === entry.family),
    );
    const [first] = fitting;
    if (first !== undefined) {
      return { fitting, first };
    }
    const all = addresses.map(({ address }) => address);
    throw guard.refuse(name, all) ?? new Error(`there is no address for ${name}`);
  });
  return (name, { all, family }, done) => {
    find(name, family, (error: NodeJS.ErrnoException | null, found) => {
      if (error !== null) {
        done(error, "");
      } else if (all === true) {
        done(null, found.fitting);
      } else {
        done(null, found.first.address, found.first.family);
      }
    });
  };
}
