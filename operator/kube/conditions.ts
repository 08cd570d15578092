// Finds a condition of an object, of whatever kind: all of them are lists that are told apart by `type`.

interface WithConditions<C> {
  readonly conditions?: readonly C[] | undefined;
}

/** Undefined where the status, its conditions or this one is not there yet. */
export function conditionOf<C extends { readonly type: string }>(
  status: WithConditions<C> | undefined,
  type: C["type"],
): C | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}
