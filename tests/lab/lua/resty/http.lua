-- Only OCSP stapling would send requests, and it is off.
return {
  new = function()
    return nil, "the lab has no resty.http"
  end,
}
