// Bundles of PEM certificates.

/** The certificates of a bundle, in order; whatever else the text holds is left out. */
export function splitPem(bundle: string): string[] {
  return (bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((pem) => `${pem}\n`);
}

export function joinPem(certificates: readonly string[]): string {
  return certificates.join("");
}
