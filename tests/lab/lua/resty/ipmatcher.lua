-- Only global rate limits would match addresses.
return {
  new = function()
    return nil, "the lab has no resty.ipmatcher"
  end,
}
