// Hands out pod addresses, going round the whole range so that an address rests before it is used again.

/** Addresses of an IPv4 range without its network address, its first address (the bridge) and its broadcast address. */
export class AddressPool {
  readonly #base: number;
  readonly #size: number;
  readonly #used = new Set<number>();
  #next = 2;

  /** @param cidr for example `10.244.0.0/16` */
  constructor(cidr: string) {
    const [address = "", prefix = ""] = cidr.split("/");
    this.#size = 2 ** (32 - Number(prefix));
    const value = toNumber(address);
    this.#base = value - (value % this.#size);
    this.prefixLength = Number(prefix);
    this.gateway = toText(this.#base + 1);
    if (this.#size < 4) throw new Error(`the pod range ${cidr} has no room for pods: use a prefix of at most /30`);
  }

  readonly prefixLength: number;

  /** The bridge's address, the pods' default route. */
  readonly gateway: string;

  /** @throws Error when every address is in use. */
  take(): string {
    for (let tried = 2; tried < this.#size - 1; tried += 1) {
      const offset = this.#next;
      this.#next = offset + 1 < this.#size - 1 ? offset + 1 : 2;
      if (!this.#used.has(offset)) {
        this.#used.add(offset);
        return toText(this.#base + offset);
      }
    }
    throw new Error(`all ${this.#used.size} pod addresses are in use: delete pods or configure a larger podCidr`);
  }

  release(address: string): void {
    this.#used.delete(toNumber(address) - this.#base);
  }
}

function toNumber(address: string): number {
  return address.split(".").reduce((value, part) => value * 256 + Number(part), 0);
}

function toText(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}
