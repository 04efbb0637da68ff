-- A form of 10 KiB.
wrk.method = "POST"
wrk.body = string.rep("f", 10240)
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
