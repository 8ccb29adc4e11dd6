return require("nginx.cookie") -- its name in Debian
