// Kubernetes' MicroTime as text.

/** RFC 3339 with microseconds, the only form that the API server takes for a MicroTime. */
export function microTime(at: Date): string {
  return at.toISOString().replace("Z", "000Z");
}
