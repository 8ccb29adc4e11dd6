return require("nginx.dns.resolver") -- its name in Debian
