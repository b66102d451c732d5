/** The Debian packages that tests and benchmarks drive as real parts, by the file that shows that they are there. */
export const TEST_PACKAGES = {
  chromium: '/usr/bin/chromium',
  'openssh-server': '/usr/sbin/sshd',
  'openssh-client': '/usr/bin/ssh',
  asciinema: '/usr/bin/asciinema',
  tmux: '/usr/bin/tmux',
  strace: '/usr/bin/strace',
  iproute2: '/usr/sbin/ip',
  curl: '/usr/bin/curl',
  chrony: '/usr/sbin/chronyd',
  openssl: '/usr/bin/openssl',
  'python3-aiosmtpd': '/usr/lib/python3/dist-packages/aiosmtpd/smtp.py',
  gcc: '/usr/bin/gcc',
  'libc6-dev': '/usr/include/stdlib.h',
  procps: '/usr/bin/pgrep',
  'util-linux': '/usr/bin/setpriv',
  debootstrap: '/usr/sbin/debootstrap',
};
