// Search runs in a worker, which browsers do not start from files. Where the site is read as files an iframe stands for it.
// Material for MkDocs looks for the name `IFrameWorker`; its offline plugin would load such a script from another host.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(script) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.appendChild(frame);
      this.inside = frame.contentWindow;
      window.addEventListener("message", (event) => {
        if (event.source === this.inside) this.dispatchEvent(new MessageEvent("message", { data: event.data }));
      });
      const inside = frame.contentDocument;
      inside.open();
      inside.write(
        `<body><script>
          postMessage = (data) => parent.postMessage(data, "*");
          importScripts = (...scripts) => scripts.reduce((before, each) => before.then(() => new Promise((done) => {
            const element = document.createElement("script");
            element.src = each;
            element.onload = done;
            document.body.appendChild(element);
          })), Promise.resolve());
        </` + `script><script src="${script}"></` + `script></body>`,
      );
      inside.close();
      this.ready = new Promise((done) => (frame.onload = done));
    }

    postMessage(data) {
      this.ready.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {}
  };
  window.Worker = window.IFrameWorker;
}
