#include "kubelet/runtime/model.h"

#include "kubelet/runtime/container_runtime.h"
