/** The shortcuts that a terminal keeps from the far shell. All others are the shell's. */
export type TerminalCommand = 'copy' | 'paste' | 'search' | 'leave' | 'previous-tab' | 'next-tab';

const WITH_CONTROL_SHIFT: Record<string, TerminalCommand> = {
  KeyC: 'copy',
  KeyV: 'paste',
  KeyF: 'search',
  KeyL: 'leave',
  ArrowLeft: 'previous-tab',
  ArrowRight: 'next-tab',
};
const WITH_COMMAND: Record<string, TerminalCommand> = { KeyC: 'copy', KeyV: 'paste', KeyF: 'search' };

type Pressed = Pick<KeyboardEvent, 'type' | 'code' | 'ctrlKey' | 'shiftKey' | 'altKey' | 'metaKey'>;

/** The command that a key press means, if any: Ctrl+Shift with a letter, on a Mac also Cmd. */
export function terminalCommand(event: Pressed): TerminalCommand | undefined {
  if (event.type !== 'keydown' || event.altKey) return undefined;
  if (event.ctrlKey && event.shiftKey && !event.metaKey) return WITH_CONTROL_SHIFT[event.code];
  if (event.metaKey && !event.ctrlKey && !event.shiftKey) return WITH_COMMAND[event.code];
  return undefined;
}
