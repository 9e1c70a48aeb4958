/**
 * Two self-signed certificates for `localhost`, as go-plugin makes them, good from 2020 to 2119: `openssl req -new -newkey ec -pkeyopt
 * ec_paramgen_curve:P-256 -nodes -subj /CN=localhost`, then `openssl ca -selfsign -startdate 20200101000000Z -enddate
 * 21200101000000Z` with the extensions basicConstraints=critical,CA:TRUE and subjectAltName=DNS:localhost. The keys open nothing
 * but tests.
 */
export const pluginCertificate = {
  cert: `-----BEGIN CERTIFICATE-----
MIIBczCCARqgAwIBAgIUXLgTR4roUr3xpTmuURQKMvsJi0cwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAx
MDAwMDAwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASrUbrzGT4NXX6usGpMO/efQeSE9p6yaWHytvveRJZ6U2eimHzG17FJ
ajCSn0t6djldJiUMPGUVmRWDMXRLJILgo0gwRjAPBgNVHRMBAf8EBTADAQH/MBQG
A1UdEQQNMAuCCWxvY2FsaG9zdDAdBgNVHQ4EFgQUMgA8+LBzFUy0L8qlxHAec5eO
h7swCgYIKoZIzj0EAwIDRwAwRAIgZrk9tc2+h9Own0KUszkA9zNzO0yK3HCDh37T
2LHlx3ECICcoYwa9NPbr+aboM4GTrTQiDBePvdmI6U45GpzeVMUR
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvBIb+ASnJHXu8+ur
qqZh9XL5zypL1/UCno6DNpvbJCahRANCAASrUbrzGT4NXX6usGpMO/efQeSE9p6y
aWHytvveRJZ6U2eimHzG17FJajCSn0t6djldJiUMPGUVmRWDMXRLJILg
-----END PRIVATE KEY-----
`,
}

export const hostCertificate = {
  cert: `-----BEGIN CERTIFICATE-----
MIIBdTCCARqgAwIBAgIUOzmtenrC5VhVv+yV1j7xc9nUNJ4wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAx
MDAwMDAwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQ3OsRvMZx7GDC9TdBZOa4eHQw3Mxk3/JmVVvPssBWUfTuafdHZuXa6
tIPsPftI7KCVf2LMy7mGJjtOboGRORKjo0gwRjAPBgNVHRMBAf8EBTADAQH/MBQG
A1UdEQQNMAuCCWxvY2FsaG9zdDAdBgNVHQ4EFgQUkvrbkdzxsw0NX3X+PmE3R9Ud
XhgwCgYIKoZIzj0EAwIDSQAwRgIhANnL00uUZOZhvcM7S+Z2vA7aSM7MSOc/18TD
gnzBaTbfAiEAhy5CDv3QpjQun5YBHQDABZC0U97epJV6d+EoLYCo87g=
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgu32hedxWF8LRnJDG
bc8jhMa0jvxme/5/o37Db49qYoKhRANCAAQ3OsRvMZx7GDC9TdBZOa4eHQw3Mxk3
/JmVVvPssBWUfTuafdHZuXa6tIPsPftI7KCVf2LMy7mGJjtOboGRORKj
-----END PRIVATE KEY-----
`,
}
