// What a load generator sends again and again: one request, as bytes.

/** A POST with a body. */
export interface HttpLoad {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}
