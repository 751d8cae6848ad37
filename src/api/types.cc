#include "kubelet/api/types.h"
