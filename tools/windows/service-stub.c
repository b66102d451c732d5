/*
 * The Windows service around a Bascule client program; docs/decisions/0153-a-service-stub-in-c.md.
 * node.exe is no service program: this one answers the service manager, runs `NODE launcher.mjs`, both named by its own arguments (relative to its
 * folder), starts it again when it dies, passes a stop on by closing the child's standard input, and keeps what it says in client.log, at most two
 * files of LOG_LIMIT_BYTES each.
 *
 *   bascule-jump-client.exe NODE LAUNCHER            as the service manager starts it
 *   bascule-jump-client.exe --run NODE LAUNCHER ...  in this terminal, with further arguments for the launcher
 *   bascule-jump-client.exe --clear                  removes what no installer put into its folder (the MSI calls it when it is removed)
 */
#include <windows.h>
#include <stdio.h>
#include <wchar.h>

#define PATH_LENGTH 1024
#define COMMAND_LENGTH 8192
#define LOG_LIMIT_BYTES (4 * 1024 * 1024)
/* Longer than the supervisor gives its program. */
#define STOP_LIMIT_MS 20000
#define RESTART_FIRST_MS 1000
#define RESTART_MAX_MS 60000
#define STEADY_MS 60000

static wchar_t folder[PATH_LENGTH];
static wchar_t node[PATH_LENGTH];
static wchar_t launcher[PATH_LENGTH];
static SERVICE_STATUS_HANDLE service;
static HANDLE stop_event;
static HANDLE log_file = INVALID_HANDLE_VALUE;

static void report(DWORD state, DWORD exit_code) {
  SERVICE_STATUS status = {0};
  status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
  status.dwCurrentState = state;
  status.dwControlsAccepted = state == SERVICE_RUNNING ? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN : 0;
  status.dwWin32ExitCode = exit_code;
  status.dwWaitHint = state == SERVICE_STOP_PENDING ? STOP_LIMIT_MS + 5000 : 0;
  SetServiceStatus(service, &status);
}

static DWORD WINAPI on_control(DWORD control, DWORD type, void *data, void *context) {
  (void)type, (void)data, (void)context;
  if (control == SERVICE_CONTROL_STOP || control == SERVICE_CONTROL_SHUTDOWN) {
    report(SERVICE_STOP_PENDING, 0);
    SetEvent(stop_event);
  }
  return NO_ERROR;
}

/* The log as it is, or the one before it when it is full. */
static void open_log(void) {
  wchar_t file[PATH_LENGTH], former[PATH_LENGTH];
  LARGE_INTEGER size;
  swprintf(file, PATH_LENGTH, L"%ls\\client.log", folder);
  swprintf(former, PATH_LENGTH, L"%ls\\client.log.1", folder);
  for (int turn = 0; turn < 2; turn++) {
    log_file = CreateFileW(file, FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL, OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    if (log_file == INVALID_HANDLE_VALUE || !GetFileSizeEx(log_file, &size) || size.QuadPart < LOG_LIMIT_BYTES) return;
    CloseHandle(log_file);
    if (!MoveFileExW(file, former, MOVEFILE_REPLACE_EXISTING)) DeleteFileW(file);
  }
}

/* Copies what the child says into the log, until nobody holds the other end. A full disk costs words, never the program. */
static DWORD WINAPI keep_words(void *pipe) {
  char bytes[16384];
  DWORD length, written;
  while (ReadFile(pipe, bytes, sizeof bytes, &length, NULL) && length > 0) {
    if (log_file == INVALID_HANDLE_VALUE) open_log();
    if (log_file == INVALID_HANDLE_VALUE) continue;
    LARGE_INTEGER size;
    WriteFile(log_file, bytes, length, &written, NULL);
    if (!GetFileSizeEx(log_file, &size) || size.QuadPart < LOG_LIMIT_BYTES) continue;
    CloseHandle(log_file);
    open_log();
  }
  CloseHandle(pipe);
  return 0;
}

/* Starts the launcher with `input` and `output` as its own. It dies with this process, what it starts does not: an uninstallation outlives us. */
static BOOL start(const wchar_t *rest, HANDLE input, HANDLE output, PROCESS_INFORMATION *child) {
  static wchar_t command[COMMAND_LENGTH];
  STARTUPINFOW startup = {0};
  startup.cb = sizeof startup;
  startup.dwFlags = STARTF_USESTDHANDLES;
  startup.hStdInput = input;
  startup.hStdOutput = output;
  startup.hStdError = output == GetStdHandle(STD_OUTPUT_HANDLE) ? GetStdHandle(STD_ERROR_HANDLE) : output;
  if (swprintf(command, COMMAND_LENGTH, L"\"%ls\\%ls\" \"%ls\\%ls\"%ls", folder, node, folder, launcher, rest) < 0) return FALSE;
  if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, CREATE_SUSPENDED, NULL, folder, &startup, child)) return FALSE;
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
  limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK;
  static HANDLE job;
  if (job == NULL && (job = CreateJobObjectW(NULL, NULL)) != NULL)
    SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
  if (job != NULL) AssignProcessToJobObject(job, child->hProcess);
  ResumeThread(child->hThread);
  CloseHandle(child->hThread);
  return TRUE;
}

/* One run of the launcher as a service; gives its exit code. */
static DWORD run_once(void) {
  SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
  HANDLE input_end, input, output, output_end;
  PROCESS_INFORMATION child;
  DWORD exit_code = 1;
  if (!CreatePipe(&input_end, &input, &inherited, 0) || !CreatePipe(&output, &output_end, &inherited, 0)) return 1;
  SetHandleInformation(input, HANDLE_FLAG_INHERIT, 0);
  SetHandleInformation(output, HANDLE_FLAG_INHERIT, 0);
  SetEnvironmentVariableW(L"BASCULE_STOPS_BY_STDIN", L"1");
  BOOL started = start(L"", input_end, output_end, &child);
  CloseHandle(input_end);
  CloseHandle(output_end);
  HANDLE words = CreateThread(NULL, 0, keep_words, output, 0, NULL);
  if (words != NULL) CloseHandle(words);
  if (started) {
    HANDLE either[] = {child.hProcess, stop_event};
    if (WaitForMultipleObjects(2, either, FALSE, INFINITE) == WAIT_OBJECT_0 + 1) {
      CloseHandle(input);
      input = NULL;
      if (WaitForSingleObject(child.hProcess, STOP_LIMIT_MS) != WAIT_OBJECT_0) TerminateProcess(child.hProcess, 1);
      WaitForSingleObject(child.hProcess, STOP_LIMIT_MS);
    }
    GetExitCodeProcess(child.hProcess, &exit_code);
    CloseHandle(child.hProcess);
  }
  if (input != NULL) CloseHandle(input);
  return exit_code;
}

static void WINAPI serve(DWORD count, wchar_t **words) {
  (void)count, (void)words;
  stop_event = CreateEventW(NULL, TRUE, FALSE, NULL);
  service = RegisterServiceCtrlHandlerExW(L"", on_control, NULL);
  if (service == NULL || stop_event == NULL) return;
  report(SERVICE_RUNNING, 0);
  DWORD pause_ms = RESTART_FIRST_MS;
  for (;;) {
    ULONGLONG started_ms = GetTickCount64();
    /* 0 without a stop: the program has removed itself. */
    if (run_once() == 0) break;
    if (GetTickCount64() - started_ms >= STEADY_MS) pause_ms = RESTART_FIRST_MS;
    if (WaitForSingleObject(stop_event, pause_ms) == WAIT_OBJECT_0) break;
    pause_ms = pause_ms * 2 > RESTART_MAX_MS ? RESTART_MAX_MS : pause_ms * 2;
  }
  report(SERVICE_STOPPED, 0);
}

/* Everything below `directory`; links are removed, never followed. What is in use stays. */
static void clear(const wchar_t *directory) {
  wchar_t path[PATH_LENGTH];
  WIN32_FIND_DATAW found;
  if (swprintf(path, PATH_LENGTH, L"%ls\\*", directory) < 0) return;
  HANDLE search = FindFirstFileW(path, &found);
  if (search == INVALID_HANDLE_VALUE) return;
  do {
    if (wcscmp(found.cFileName, L".") == 0 || wcscmp(found.cFileName, L"..") == 0) continue;
    if (swprintf(path, PATH_LENGTH, L"%ls\\%ls", directory, found.cFileName) < 0) continue;
    if (found.dwFileAttributes & FILE_ATTRIBUTE_READONLY) SetFileAttributesW(path, FILE_ATTRIBUTE_NORMAL);
    if (!(found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)) DeleteFileW(path);
    else {
      if (!(found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT)) clear(path);
      RemoveDirectoryW(path);
    }
  } while (FindNextFileW(search, &found));
  FindClose(search);
}

/* In a terminal: the launcher with what was typed; its exit code is ours. */
static int run_here(int count, wchar_t **words) {
  static wchar_t rest[COMMAND_LENGTH];
  PROCESS_INFORMATION child;
  DWORD exit_code = 1;
  for (int i = 0; i < count; i++) {
    size_t length = wcslen(rest);
    if (wcschr(words[i], L'"') != NULL || swprintf(rest + length, COMMAND_LENGTH - length, L" \"%ls\"", words[i]) < 0) return 64;
  }
  if (!start(rest, GetStdHandle(STD_INPUT_HANDLE), GetStdHandle(STD_OUTPUT_HANDLE), &child)) return 1;
  WaitForSingleObject(child.hProcess, INFINITE);
  GetExitCodeProcess(child.hProcess, &exit_code);
  return (int)exit_code;
}

int wmain(int count, wchar_t **words) {
  DWORD length = GetModuleFileNameW(NULL, folder, PATH_LENGTH);
  if (length == 0 || length >= PATH_LENGTH || wcsrchr(folder, L'\\') == NULL) return 1;
  *wcsrchr(folder, L'\\') = 0;
  int at_terminal = count > 1 && wcscmp(words[1], L"--run") == 0;
  if (count == 2 && wcscmp(words[1], L"--clear") == 0) {
    clear(folder);
    return 0;
  }
  if (count < 3 + at_terminal) return 64;
  swprintf(node, PATH_LENGTH, L"%ls", words[1 + at_terminal]);
  swprintf(launcher, PATH_LENGTH, L"%ls", words[2 + at_terminal]);
  if (at_terminal) return run_here(count - 4, words + 4);
  SERVICE_TABLE_ENTRYW table[] = {{(wchar_t *)L"", serve}, {NULL, NULL}};
  return StartServiceCtrlDispatcherW(table) ? 0 : 1;
}
