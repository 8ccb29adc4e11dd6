-- A lock in a shared dictionary, which Debian does not package. It never waits; the balancer asks for that
-- (timeout = 0).
local Lock = {}
Lock.__index = Lock

function Lock.new(_, dictionary, options)
  local shared = ngx.shared[dictionary]
  if shared == nil then
    return nil, "there is no shared dictionary " .. tostring(dictionary)
  end
  return setmetatable({ shared = shared, seconds = options.exptime }, Lock)
end

function Lock:lock(key)
  local added, problem = self.shared:add(key, true, self.seconds)
  if not added then
    return nil, problem == "exists" and "timeout" or problem
  end
  self.held = key
  return 0
end

function Lock:unlock()
  if self.held == nil then
    return nil, "not locked"
  end
  self.shared:delete(self.held)
  self.held = nil
  return 1
end

return Lock
