import type { RecordingWriter } from '@bascule/recording/writer.ts';
import type { OutputTrack } from './output-track.ts';
import type { Screens } from './screens.ts';
import type { OutputSource } from './viewer-link.ts';

/** What the viewers of a session are fed from: its recording. `isHeld`: it is paused, and what is not on the disk yet is shown to nobody. */
export function outputSource(parts: {
  session: string;
  file: string;
  writer: RecordingWriter;
  track: OutputTrack;
  screens: Screens;
  isHeld(): boolean;
}): OutputSource {
  const { session, file, writer, track, screens, isHeld } = parts;
  return {
    get head() {
      return isHeld() ? writer.recordedBytes : writer.takenBytes;
    },
    get held() {
      return isHeld();
    },
    get recordedBytes() {
      return writer.recordedBytes;
    },
    get gapEnd() {
      return writer.gapEnd;
    },
    readRecorded: (offset, enoughBytes) => writer.readRecorded(offset, enoughBytes),
    // A pause may end in recording-failed: then nobody has seen what no recording holds.
    waiting: (offset) => (isHeld() ? [] : writer.waiting(offset)),
    screen: () => {
      const upTo = writer.recordedBytes;
      const place = track.screenStart(upTo);
      const start = { ...place, position: writer.locate(place.boundary).position };
      return screens.request({ session, file, upTo, start });
    },
  };
}
