// Documents for the differential test: between them they use every form that manifests use, and
// some they do not.
#pragma once

namespace kubelet::api {

inline constexpr const char* kYamlCorpus[] = {
    R"(apiVersion: v1
kind: Pod
metadata:
  name: web  # the name
  labels: {app: web, "tier": 'front'}
spec:
  containers:
  - name: c
    image: nginx:1.2
    args: ["-c", 'it''s', "a\tb", --x=1]
    command:
      - sh
      - -c
      - |
        set -e
          echo hi

        exit 0
    env:
    - {name: A, value: "1"}
    - name: B
      value: >-
        folded text
        goes on

        here
    resources: &r
      limits: {cpu: 100m, memory: 1Gi}
  - name: d
    resources: *r
    text: plain over
      two lines
    q: "quoted over
      two lines"
)",
    R"(a: 1
b:
  - x
  - y: z
    w: [1, 2, {k: v}]
c: |
  lit
d: "q"
)",
    R"({"a": "b", "c": [1, 2, {"d": null}],
 "e": {"f": "g\n"}, "h": [], "i": {}}
)",
    R"(%YAML 1.1
---
- ? k
  : v
- !!str 5
- &x a
- *x
- - - n
  - m
- 'single

  two'
- >
  fold
   more

  end
- |2
   x
- |+
  keep

-
- k:
  l: 
    - 1
...
)",
    R"(# comment
&k key: &v value
other: *k
anch: &m
  x: 1
m2:
  <<: *m
  y: 2
seq: &s
- 1
- !!str 2
-
- ~
- null
- a: b
  c: d
-   e: f
    "g": {h: i,
      j: [k, l]}
n: ~
nullish: ~x
null1:
  null
on-list: [~, null, Null]
"quoted key": 'single'
? complex
: value
)",
    R"(apiVersion: v1
data:
  a.conf: |
    # not a comment
    [section]
    key = "value"

    	tabbed
  b: >
    para one
    still one

    para two
      indented
    end


  c: |-
    no newline
  d: "line1\nline2 \
    continued \u00e9 \x41"
  e: 'it''s
    folded

    twice'
  f: plain
    multi line

    with blank
  "json": {"x":1,"y":[true,false,null],"z":"a\/b"}
  url: http://x.y:80/z#frag
  time: 12:30:45
  empty: ""
  neg: -1
  dash: -x
  q: a ? b
  tab:	value	with tabs	
kind: ConfigMap
)",
};

}  // namespace kubelet::api
