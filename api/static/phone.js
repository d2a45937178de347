// The position is sent only after the button for it was pressed; without it the form is whole.
const place = document.querySelector(".place");
if (place && navigator.geolocation && window.isSecureContext) {
  const [button, shown] = [place.querySelector("button"), place.querySelector("output")];
  const form = place.closest("form");
  place.hidden = false;
  button.addEventListener("click", () => {
    shown.textContent = "定位中 locating…";
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        form.lon.value = coords.longitude.toFixed(6);
        form.lat.value = coords.latitude.toFixed(6);
        shown.textContent = `${form.lat.value}, ${form.lon.value} (±${Math.round(coords.accuracy)} m)`;
      },
      () => { shown.textContent = "无法定位 no position"; },
      { enableHighAccuracy: true, timeout: 20000 },
    );
  });
}
