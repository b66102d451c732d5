/** About how many cells a terminal will have, before it is there to be measured; the first fit corrects it. */
const CELL_WIDTH_PER_FONT_SIZE = 0.6;
const CELL_HEIGHT_PER_FONT_SIZE = 1.55;
/** Page header, tab strip and status bar. */
const OTHER_HEIGHT_PIXELS = 44 + 36 + 32;

export function proposedSize(
  fontSize: number,
  view: { innerWidth: number; innerHeight: number },
): { cols: number; rows: number } {
  const cols = Math.floor(view.innerWidth / (fontSize * CELL_WIDTH_PER_FONT_SIZE)) - 3;
  const rows = Math.floor((view.innerHeight - OTHER_HEIGHT_PIXELS) / (fontSize * CELL_HEIGHT_PER_FONT_SIZE));
  return { cols: Math.min(Math.max(cols, 20), 1000), rows: Math.min(Math.max(rows, 5), 500) };
}
