# Most of the time of a source file goes into the templates it instantiates, and files of one room instantiate the same
# ones: compiled a few at a time they take a third of it. With KUBELET_UNITY=OFF every file is compiled by itself, which is
# quicker after an edit, and shows that each includes what it needs (preset `clang`).
option(KUBELET_UNITY "compile the files of a room a few at a time" ON)

# kubelet_names(OUT FILE): what FILE names at the left margin: functions, types and constants of its own. A member defined
# outside of its class is not among them (`Worker::Stop`), nor a test case, nor an alias, which may be said twice.
function(kubelet_names out file)
  file(READ ${file} text)
  string(REGEX REPLACE "[][;\\]" " " text "\n${text}")  # what CMake's lists would trip over
  string(REGEX MATCHALL "\n(struct|class|enum class|enum|union) [A-Za-z0-9_]+" types "${text}")
  string(REGEX MATCHALL "\n[A-Za-z][^\n(={]*[ &*][A-Za-z0-9_]+ *[(={]" others "${text}")
  set(names)
  foreach(line ${types} ${others})
    if(NOT line MATCHES "^\n(namespace|using) ")
      string(REGEX REPLACE "^.*[ &*]([A-Za-z0-9_]+) *[(={]?$" "\\1" name "${line}")
      list(APPEND names ${name})
    endif()
  endforeach()
  set(${out} ${names} PARENT_SCOPE)
endfunction()

# kubelet_unite(TARGET): compiles the sources of TARGET together, up to eight at a time, and never two that give the same
# name to something of their own: an anonymous namespace is one within a compilation. After a new file takes a name that
# another of its group has, the compiler says so, and `cmake .` groups anew.
function(kubelet_unite target)
  if(NOT KUBELET_UNITY)
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  set(count 0)
  foreach(source ${sources})
    get_filename_component(path ${source} ABSOLUTE)
    if(NOT EXISTS ${path})
      continue()  # generated
    endif()
    kubelet_names(names ${path})
    # The first group with room that has none of the names, or a new one.
    set(group 0)
    while(group LESS count)
      set(clash FALSE)
      foreach(name ${names})
        if(name IN_LIST taken_${group})
          set(clash TRUE)
          break()
        endif()
      endforeach()
      if(NOT clash AND size_${group} LESS 8)
        break()
      endif()
      math(EXPR group "${group} + 1")
    endwhile()
    if(group EQUAL count)
      math(EXPR count "${count} + 1")
      set(size_${group} 0)
      set(taken_${group})
    endif()
    math(EXPR size_${group} "${size_${group}} + 1")
    list(APPEND taken_${group} ${names})
    set_source_files_properties(${path} PROPERTIES UNITY_GROUP ${target}_${group})
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # A type of a .cc file may well have members out of its anonymous namespace; g++ knows it by the name of the main file.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()
