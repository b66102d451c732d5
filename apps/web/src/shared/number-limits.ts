export interface NumberLimits {
  min: number;
  max: number;
}

/** Whether a whole number keeps its limits; NaN (an empty field) does not. */
export function withinLimits(value: number, { min, max }: NumberLimits): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}
