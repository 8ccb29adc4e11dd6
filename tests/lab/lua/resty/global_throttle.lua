-- Global rate limits need a memcached, which the lab does not have.
return {
  new = function()
    return nil, "the lab has no resty.global_throttle"
  end,
}
